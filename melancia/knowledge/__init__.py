"""Load documents, split them, keep the index equal to the folders."""
