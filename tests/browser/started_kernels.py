"""A Jupyter server that lists a kernel once it has started."""

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets import TraitError


class StartedKernels(AsyncMappingKernelManager):
    """Jupyter's kernels; one that is still starting is not found, instead of being an error.

    jupyter_server knows a kernel a moment before it gives it a time of last activity. A page
    that asks for the list in that moment, which JupyterLab does every few seconds, is answered
    with status 500 (2.21; the notebook server had it in its culler, jupyter/notebook#5345).
    """

    def kernel_model(self, kernel_id):
        try:
            return super().kernel_model(kernel_id)
        except TraitError as error:
            raise HTTPError(404, f"kernel {kernel_id} is still starting") from error
