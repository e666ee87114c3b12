"""What is served: model profiles, deployments, endpoint kinds."""
