"""The series on a cluster: Ray places the jobs, this machine alone has the run."""

from holdfast.pipeline.on_ray.engine import RayEngine

__all__ = ["RayEngine"]
