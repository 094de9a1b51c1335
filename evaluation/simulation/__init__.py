"""Simulation of pictures over starved links in virtual time, beside other picture formats on the same link.

scenario  what to simulate: links, workload, rivals, grid                    TOML or flags
links     netem's vocabulary: rates, traces, delays, losses, queues, slots   pure
pictures  streams and rivals' files, and what each part of them shows        cached on disk
transmission  one cell: the shipped protocol and FIFO rivals over the links  virtual time
grid      all cells in parallel processes, resumable
report    summary, plots, and a page that needs no network
"""
