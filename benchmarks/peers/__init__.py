"""The same trainings by other projects' means."""
