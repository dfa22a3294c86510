// A film that has been watched, shown again: this page alone holds its pictures, until it is closed.

import { decodeJpeg } from "./capture.js";

const MOST = 192e6; // bytes of JPEG that are held; of a longer film every other picture is let go, again and again

export class Replay {
  // `show` is given a picture's bitmap, its time and the persons in it; `changed` hears when it plays and stops.
  constructor(show, changed) {
    Object.assign(this, { show, changed, shots: [], bytes: 0, every: 1, seen: 0, place: 0, playing: false, busy: false });
  }

  keep(time, persons, jpeg) {
    if (this.seen++ % this.every) return;
    this.shots.push({ time, persons, jpeg });
    this.bytes += jpeg.length;
    if (this.bytes < MOST) return;
    this.shots = this.shots.filter((_, index) => index % 2 === 0);
    this.bytes = this.shots.reduce((sum, each) => sum + each.jpeg.length, 0);
    this.every *= 2;
  }

  get end() {
    return this.shots[this.shots.length - 1]?.time ?? 0;
  }

  // The last picture that had begun at `time`.
  at(time) {
    let low = 0, high = this.shots.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.shots[middle].time <= time) low = middle;
      else high = middle - 1;
    }
    return this.shots[low];
  }

  // One picture at a time: while one is being unpacked, only the place moves on.
  async seek(time) {
    this.place = Math.min(Math.max(time, 0), this.end);
    while (!this.busy && this.shown !== this.at(this.place)) {
      this.busy = true;
      const shot = this.at(this.place);
      try {
        this.show(await decodeJpeg(shot.jpeg), shot.persons);
        this.shown = shot;
      } finally {
        this.busy = false;
      }
    }
  }

  play(from = this.place >= this.end ? 0 : this.place, to = this.end) {
    const turn = (this.turn = {}); // who plays anew takes over from what played before
    const begun = performance.now();
    this.playing = true;
    this.changed();
    const step = () => {
      if (this.turn !== turn) return;
      const time = from + (performance.now() - begun) / 1000;
      this.seek(time);
      if (time >= to) this.pause();
      else requestAnimationFrame(step);
    };
    step();
  }

  pause() {
    this.turn = null;
    this.playing = false;
    this.changed();
  }
}
