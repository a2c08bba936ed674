// Pictures for the enrolment, straight from the camera. Nothing looks at them here.

const QUALITY = 0.92;

/** One picture of a video element as JPEG, as the camera gave it (not mirrored). */
export async function takePicture(video: HTMLVideoElement): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = canvas.getContext("2d");
  if (!context || canvas.width === 0) throw new Error("the camera gives no picture");
  context.drawImage(video, 0, 0);
  const blob = await new Promise<Blob | null>((resolve) => { canvas.toBlob(resolve, "image/jpeg", QUALITY); });
  if (!blob) throw new Error("the picture could not be written");
  return blob;
}

/** Several pictures, one after another. */
export async function takePictures(video: HTMLVideoElement, count: number, everyMs: number): Promise<Blob[]> {
  const taken: Blob[] = [];
  for (let at = 0; at < count; at += 1) {
    if (at > 0) await new Promise((resolve) => { setTimeout(resolve, everyMs); });
    taken.push(await takePicture(video));
  }
  return taken;
}
