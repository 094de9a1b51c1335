"""Slow links between real sockets: a bottleneck in user space, and network interfaces of the kernel."""
