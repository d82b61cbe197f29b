"""A whole deployment in one file, and back: both databases, the keys, certificates, recordings and media."""
