"""The parts that both ends of a connection share: states, events, and the base class."""
