"""One digest a run, by e-mail and webhook: what it says, how it travels, and the journal that keeps it from saying it twice."""
