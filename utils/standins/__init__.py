"""Small drawn copies of the collections, in their real layouts: for the demo and the tests."""
