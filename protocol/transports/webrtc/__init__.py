"""The protocol over WebRTC data channels."""
