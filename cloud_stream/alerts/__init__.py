"""Alerts: what the rules file says, and the decisions that follow from windows."""
