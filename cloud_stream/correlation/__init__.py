"""What consumption goes along with: temperature, occupancy, the hour."""
