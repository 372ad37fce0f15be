"""An ALTO client that knows nothing but the RFCs: what a server may offer, and what must then hold."""
