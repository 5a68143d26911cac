"""What the evidence says of an experiment. Pure: stored rows, a policy and constants in, a verdict out.

No clock, no unseeded randomness, no I/O: the same rows give the same verdict, whenever it is computed.
"""
