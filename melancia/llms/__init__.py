"""Model providers behind one face."""
