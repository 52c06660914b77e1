"""Windows over readings: the fold, the cells in memory, and the roll-up.

Usage is a function of the set of distinct (site, meter, quantity, t). Readings
newer than anything their series had are folded into cells; everything else
sends its windows to be rebuilt from the store.
"""
