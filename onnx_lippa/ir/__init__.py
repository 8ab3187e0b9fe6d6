"""The layer IR: what a layer is over an algebra, the network as a tape of them, and its passes."""
