"""The receiving end: reassembly, acknowledgements, requests and sessions."""
