"""A city is data: the schema of its profile, and the engine that maps its columns to the lake's."""
