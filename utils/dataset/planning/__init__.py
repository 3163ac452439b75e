"""Which pictures a data set gets, under which names and in which split."""
