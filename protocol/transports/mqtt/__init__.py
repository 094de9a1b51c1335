"""The protocol over an MQTT broker."""
