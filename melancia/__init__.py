"""MelâncIA: a Retail Media assistant in Portuguese that keeps proving which model deserves to answer."""

__version__ = "0.1.0"
