"""How a picture file is judged and decoded: its kind, its bounds, its damage, its colours."""
