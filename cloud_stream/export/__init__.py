"""`wattline export`: any measurement of the store as CSV or JSON lines."""
