"""Runs all cells of a scenario in parallel processes; a cell whose result lies in the folder is not run again."""
