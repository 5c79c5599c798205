"""What lists of known values are made of: their files, their entries, and networks as numbers.

Which indicator is on which list is `indicators.warninglists`; what a hit does to a score or an export is decided there.
"""
