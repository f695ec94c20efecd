"""What a sample of residents says of all of them: weights, and the one-page insight of a community."""
