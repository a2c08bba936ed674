"""What can go wrong with a model file or its answer. Each message is one line that says what to do.

ProctorError
+-- ModelFileError         a file of the catalogue cannot be had or trusted (the commands exit 2)
|   +-- ManifestInvalid    the manifest itself is wrong
|   +-- ModelFileMissing   never fetched
|   +-- ModelFileAltered   on disk, but not the bytes of the manifest
|   +-- FetchFailed        no source could give it
|   +-- LicenceNotAccepted its terms must be accepted by name first
|   +-- ExtraMissing       what runs it is not installed here
+-- ModelOutputInvalid     one answer of a model is not finite or has the wrong shape
"""

from proctor.domain.errors import ProctorError


class ModelFileError(ProctorError):
    """A file of the catalogue cannot be had or trusted."""

    code = "models/file"


class ManifestInvalid(ModelFileError):
    """The manifest does not say what it must."""

    code = "models/manifest-invalid"


class ModelFileMissing(ModelFileError):
    """The file was never fetched: `proctor models fetch`."""

    code = "models/missing"


class ModelFileAltered(ModelFileError):
    """The file on disk is not what the manifest names."""

    code = "models/altered"


class FetchFailed(ModelFileError):
    """No source could give the file, or what it gave has another digest."""

    code = "models/fetch-failed"
    retryable = True


class LicenceNotAccepted(ModelFileError):
    """The terms of a file must be accepted by name: `proctor models fetch ... --accept-licence NAME`."""

    code = "models/licence-not-accepted"


class ExtraMissing(ModelFileError):
    """The package that runs the model is not installed: `pip install 'rayproctor[EXTRA]'`."""

    code = "models/extra-missing"


class ModelOutputInvalid(ProctorError):
    """A model answered with numbers that are not finite, or in another shape than its manifest says."""

    code = "models/output-invalid"


class PictureUnreadable(ProctorError):
    """The bytes are no JPEG or PNG of a size that is decoded here."""

    code = "models/picture-unreadable"
