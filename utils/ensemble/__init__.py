"""Make one model of several runs, whose answers are averaged."""
