"""How good models, degradations and searches are."""
