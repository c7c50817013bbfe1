"""Is somebody speaking: the network, the levels, and the gate that turns them into utterances."""
