"use strict";
// The audio of a track: lanes that start at one time of one clock, and what is heard of each.
// `window.stemkit` is what the scripts of a page share.

window.stemkit = window.stemkit || {};

stemkit.RATE = 48000; // Hz, of the previews
stemkit.LEAST_DB = -60; // a level here is silence

stemkit.toGain = (db) => (db <= stemkit.LEAST_DB ? 0 : 10 ** (db / 20));

// Who is heard. With a solo, exactly the lanes that are soloed, whatever else is set.
stemkit.Mixer = class {
  constructor(lanes) {
    this.lanes = lanes.map((lane) => ({ muted: lane.off, soloed: false, db: 0 }));
    this.masterDb = 0;
  }

  isHeard(lane) {
    const anySoloed = this.lanes.some((one) => one.soloed);
    return anySoloed ? this.lanes[lane].soloed : !this.lanes[lane].muted;
  }

  gain(lane) {
    return this.isHeard(lane) ? stemkit.toGain(this.lanes[lane].db) : 0;
  }

  // A muted lane is silent, so what was soloed is so no longer.
  toggleMute(lane) {
    const one = this.lanes[lane];
    one.muted = one.soloed || !one.muted;
    one.soloed = false;
  }

  toggleSolo(lane, keepOthers) {
    const soloed = !this.lanes[lane].soloed;
    for (const [other, one] of this.lanes.entries()) {
      one.soloed = other === lane ? soloed : keepOthers && one.soloed;
    }
  }
};

// The graph of any context, live or offline: a gain for each lane, and one for all.
stemkit.Graph = class {
  constructor(context, mixer) {
    this.context = context;
    this.mixer = mixer;
    this.master = new GainNode(context, { gain: stemkit.toGain(mixer.masterDb) });
    this.master.connect(context.destination);
    this.inputs = mixer.lanes.map((_, lane) => {
      const input = new GainNode(context, { gain: mixer.gain(lane) });
      input.connect(this.master);
      return input;
    });
  }

  // Follow the mixer without a click; 50 ms later each gain is exactly what it should be.
  update() {
    const now = this.context.currentTime;
    const glide = (param, gain) => {
      param.cancelScheduledValues(now);
      param.setTargetAtTime(gain, now, 0.006);
      param.setValueAtTime(gain, now + 0.05);
    };
    this.inputs.forEach((input, lane) => glide(input.gain, this.mixer.gain(lane)));
    glide(this.master.gain, stemkit.toGain(this.mixer.masterDb));
  }

  // Start all buffers at `when`, in step; returns their sources.
  start(buffers, when, offset, loop) {
    const end = Math.min(...buffers.map((buffer) => buffer.duration));
    return buffers.map((buffer, lane) => {
      const options = loop ? { buffer, loop: true, loopStart: loop.start, loopEnd: loop.end } : { buffer };
      const source = new AudioBufferSourceNode(this.context, options);
      source.connect(this.inputs[lane]);
      if (loop) source.start(when, offset);
      else source.start(when, offset, end - offset);
      return source;
    });
  }
};

// Where the playing is. All times are in seconds of the track, on whole samples.
stemkit.Transport = class {
  constructor(mixer, onEnd) {
    this.mixer = mixer;
    this.onEnd = onEnd;
    this.buffers = [];
    this.sources = [];
    this.playing = false;
    this.loop = null; // a range, {start, end}, heard again and again while `looping`
    this.looping = false;
    this.run = { offset: 0, since: 0, loop: null }; // where and when the sources were started
  }

  get end() {
    return this.buffers.length ? Math.min(...this.buffers.map((buffer) => buffer.duration)) : 0;
  }

  get position() {
    return this.playing ? this.positionAt(this.context.currentTime) : this.run.offset;
  }

  // What comes out of the loudspeakers now; the context is ahead of them.
  get heardPosition() {
    if (!this.playing) return this.run.offset;
    return this.positionAt(this.context.currentTime - (this.context.outputLatency || 0));
  }

  positionAt(time, { offset, since, loop } = this.run) {
    const position = offset + Math.max(0, time - since);
    if (!loop || position < loop.end) return Math.min(position, this.end);
    return loop.start + ((position - loop.start) % (loop.end - loop.start));
  }

  play() {
    if (this.playing || !this.buffers.length) return;
    if (!this.context) {
      this.context = new AudioContext({ sampleRate: stemkit.RATE, latencyHint: "playback" });
      this.graph = new stemkit.Graph(this.context, this.mixer);
    }
    const offset = this.run.offset < this.end ? this.run.offset : 0;
    this.playing = true;
    this.graph.update();
    this.restart(() => offset);
    this.context.resume();
  }

  pause() {
    if (!this.playing) return;
    this.run = { ...this.run, offset: this.round(this.position) };
    this.playing = false;
    this.stop(0);
    this.context.suspend();
  }

  // Go to a place; one outside of the loop ends the looping.
  seek(seconds) {
    const offset = this.round(Math.min(Math.max(seconds, 0), this.end));
    this.looping = this.looping && this.isInLoop(offset);
    if (this.playing) this.restart(() => offset);
    else this.run = { ...this.run, offset };
  }

  // Set the range, or none, and whether it is looped; the playing goes on, but inside of it.
  setLoop(range, looping) {
    this.loop = range && {
      start: this.round(Math.max(range.start, 0)),
      end: this.round(Math.min(range.end, this.end)),
    };
    if (this.loop && this.loop.end - this.loop.start < 0.05) this.loop = null;
    this.looping = looping && this.loop !== null;
    const before = this.run;
    const enter = (position) => (this.looping && !this.isInLoop(position) ? this.loop.start : position);
    if (this.playing) this.restart((time) => enter(this.positionAt(time, before)));
    else this.run = { ...this.run, offset: enter(this.run.offset) };
  }

  isInLoop(position) {
    return position >= this.loop.start && position < this.loop.end;
  }

  // Stop what plays and start all lanes anew at one time, at the place that `where` gives for it.
  // Should that time be over before all are started, they are out of step, and started once more.
  restart(where) {
    let lead = 0.03;
    do {
      const since = this.round(this.context.currentTime + lead);
      const loop = this.looping ? this.loop : null;
      this.run = { offset: this.round(where(since)), since, loop };
      this.stop(since);
      this.sources = this.graph.start(this.buffers, since, this.run.offset, loop);
      lead *= 2;
    } while (this.context.currentTime >= this.run.since && lead < 2);
    const [first] = this.sources;
    first.onended = () => this.finish();
  }

  stop(when) {
    for (const source of this.sources) {
      source.onended = null;
      source.stop(when);
    }
  }

  finish() {
    this.run = { ...this.run, offset: this.end };
    this.playing = false;
    this.context.suspend();
    this.onEnd();
  }

  round(seconds) {
    return Math.round(seconds * stemkit.RATE) / stemkit.RATE;
  }
};
