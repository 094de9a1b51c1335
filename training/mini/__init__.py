"""Recipe of the embedded model `mini`, stage by stage."""
