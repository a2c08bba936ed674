"""Machines, stores and files of the cluster test; `deployments/cluster_test.py` tells its story."""
