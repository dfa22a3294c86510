// Pictures of the camera as JPEG messages, each with its number, the camera's own count and its time stamp.

const HEADER = 16;
const QUALITY = 0.9;
const AHEAD = 3; // pictures on the way before one is left out

export async function openCamera(video) {
  if (!navigator.mediaDevices) throw new Error("This browser gives pages no camera here.");
  if (!("requestVideoFrameCallback" in HTMLVideoElement.prototype)) {
    throw new Error("This browser does not tell the time of each picture. Take a newer one.");
  }
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 120 } },
  });
  video.srcObject = stream;
  await video.play();
  return stream;
}

// Calls send(message, captured) with an ArrayBuffer for every picture that the socket keeps up with.
export class Capture {
  constructor(video, send) {
    this.video = video;
    this.send = send;
    this.waiting = 0;
    this.number = 0;
    this.running = true;
    this.busy = false;
    this.canvas = new OffscreenCanvas(1, 1);
    this.context = this.canvas.getContext("2d", { alpha: false, desynchronized: true });
    this.next();
  }

  next() {
    if (this.running) this.video.requestVideoFrameCallback((now, about) => this.take(now, about));
  }

  async take(now, about) {
    this.next();
    if (this.busy || this.waiting >= AHEAD) return;
    this.busy = true;
    try {
      const { videoWidth: width, videoHeight: height } = this.video;
      if (this.canvas.width !== width || this.canvas.height !== height) {
        this.canvas.width = width;
        this.canvas.height = height;
      }
      this.context.drawImage(this.video, 0, 0);
      const captured = about.captureTime ?? now;
      const jpeg = await this.canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
      const message = new ArrayBuffer(HEADER + jpeg.size);
      const view = new DataView(message);
      view.setUint32(0, this.number, true);
      view.setUint32(4, about.presentedFrames, true);
      view.setFloat64(8, 1000 * about.mediaTime || captured, true);
      new Uint8Array(message, HEADER).set(new Uint8Array(await jpeg.arrayBuffer()));
      if (!this.running) return;
      this.waiting += 1;
      this.send(message, this.number, captured);
      this.number += 1;
    } finally {
      this.busy = false;
    }
  }

  answered() {
    this.waiting -= 1;
  }

  stop() {
    this.running = false;
  }
}
