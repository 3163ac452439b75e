"""Five classes in, a network with its preprocessing out: the zoo and its pretrained weights."""
