"""The protocol through an MQTT broker."""
