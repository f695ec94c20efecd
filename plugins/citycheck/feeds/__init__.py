"""Connectors, one file a protocol: each brings the files of a source into a folder and knows nothing else."""
