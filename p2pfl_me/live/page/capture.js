// Pictures of the camera as JPEG messages, each with its number, the camera's own count and its time stamp.
// Browsers differ: what is missing is replaced where it can be, and named where it cannot.

const HEADER = 16;
const QUALITY = 0.9;
const AHEAD = 3; // pictures on the way before one is left out
const MOST_PIXELS = 1920 * 1080; // of a picture that the command takes: a larger camera's is made smaller
const WANTED = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 120 } };

export async function openCamera(video) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("This browser gives pages no camera here. Open the address that p2pme printed, on this computer.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: WANTED });
  } catch (error) {
    if (error.name !== "OverconstrainedError") throw error;
    stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: true }); // whatever it gives
  }
  try {
    video.srcObject = stream;
    await video.play();
  } catch (error) { // no camera stays on behind a page that shows nothing
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
    throw new Error(`The camera's picture cannot be shown (${error.name}). Reload the page, then start again.`);
  }
  return stream;
}

// A canvas and a way from it to a JPEG; throws where the browser has none.
function jpegs() {
  if (typeof OffscreenCanvas === "function" && "convertToBlob" in OffscreenCanvas.prototype) {
    const canvas = new OffscreenCanvas(1, 1);
    if (canvas.getContext("2d")) return [canvas, () => canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY })];
  }
  const canvas = document.createElement("canvas");
  if (!canvas.toBlob || !canvas.getContext("2d")) {
    throw new Error("This browser cannot turn a picture into a JPEG. Take a newer one.");
  }
  return [canvas, () => new Promise((resolve, reject) => canvas.toBlob(
    (blob) => (blob ? resolve(blob) : reject(new Error("This browser gave no JPEG of a picture."))), "image/jpeg", QUALITY))];
}

// Calls told(now, about) for every picture of a video, from one to the next: with the time and the count that the camera
// gives, or, where the browser tells neither, whenever the video's own clock has moved on.
function onNextPicture(video, told) {
  if (video.requestVideoFrameCallback) return video.requestVideoFrameCallback(told);
  const before = video.currentTime;
  const look = (now) => {
    if (video.currentTime === before) return requestAnimationFrame(look);
    video.seenPictures = (video.seenPictures ?? 0) + 1;
    told(now, { mediaTime: video.currentTime, presentedFrames: video.seenPictures });
  };
  return requestAnimationFrame(look);
}

// The size at which a camera's picture is sent.
export function sentSize(width, height) {
  const share = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
  return { width: Math.max(1, Math.floor(width * share)), height: Math.max(1, Math.floor(height * share)) };
}

// Calls send(message, number, captured) with an ArrayBuffer for every picture that the socket keeps up with, and
// failed(error) once if the browser gives none.
export class Capture {
  constructor(video, send, failed) {
    this.video = video;
    this.send = send;
    this.failed = failed;
    this.waiting = 0;
    this.number = 0;
    this.running = true;
    this.busy = false;
    [this.canvas, this.encode] = jpegs();
    this.context = this.canvas.getContext("2d", { alpha: false, desynchronized: true });
    this.next();
  }

  next() {
    if (this.running) onNextPicture(this.video, (now, about) => this.take(now, about));
  }

  async take(now, about) {
    this.next();
    if (this.busy || this.waiting >= AHEAD) return;
    this.busy = true;
    try {
      const { videoWidth, videoHeight } = this.video;
      if (!videoWidth || !videoHeight) return;
      const { width, height } = sentSize(videoWidth, videoHeight);
      if (this.canvas.width !== width || this.canvas.height !== height) {
        this.canvas.width = width;
        this.canvas.height = height;
      }
      this.context.drawImage(this.video, 0, 0, width, height);
      const captured = about.captureTime ?? now;
      const jpeg = await this.encode();
      const message = new ArrayBuffer(HEADER + jpeg.size);
      const view = new DataView(message);
      view.setUint32(0, this.number, true);
      view.setUint32(4, about.presentedFrames, true);
      view.setFloat64(8, this.sinceBegin(about.mediaTime, captured), true);
      new Uint8Array(message, HEADER).set(new Uint8Array(await jpeg.arrayBuffer()));
      if (!this.running) return;
      this.waiting += 1;
      this.send(message, this.number, captured);
      this.number += 1;
    } catch (error) {
      if (this.running) this.failed(error);
      this.running = false;
    } finally {
      this.busy = false;
    }
  }

  // Milliseconds from the first picture on, by the camera's clock, or by the page's where that one does not run.
  sinceBegin(mediaTime, captured) {
    this.begin ??= { mediaTime: mediaTime || 0, captured };
    return Math.max(0, mediaTime > 0 ? 1000 * (mediaTime - this.begin.mediaTime) : captured - this.begin.captured);
  }

  answered() {
    this.waiting -= 1;
  }

  stop() {
    this.running = false;
  }
}

// A JPEG as something that can be drawn, with its width and height, and close().
export async function decodeJpeg(bytes) {
  const blob = new Blob([bytes], { type: "image/jpeg" });
  if (typeof createImageBitmap === "function") return createImageBitmap(blob);
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await image.decode();
  } finally {
    URL.revokeObjectURL(image.src);
  }
  image.close = () => {};
  return image;
}
