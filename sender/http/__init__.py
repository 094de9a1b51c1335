"""HTTP interface of the sender: upload pictures, follow their delivery."""
