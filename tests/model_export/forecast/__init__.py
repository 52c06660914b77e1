"""Tests of forecasters: learning and judging them."""
