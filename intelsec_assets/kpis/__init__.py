"""What the numbers say: the summary of a day and the warehouse file that analysts open.

How a figure is defined belongs here; how indicators are scored or exported does not.
"""
