"""The sensors: one module for each kind of meter connection."""
