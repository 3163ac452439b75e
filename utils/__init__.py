"""The stages from downloaded collections to a report, and what they share."""
