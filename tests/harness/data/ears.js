// Listens to whatever a page plays through Web Audio: all that is connected to the speakers is connected to two
// analysers as well. `ears.level(hz)` gives how loud a tone is now, left and right: 1 is a sine of full scale.
"use strict";

window.ears = (() => {
  const connect = AudioNode.prototype.connect;
  let analysers = [];

  const tap = (context) => {
    const splitter = context.createChannelSplitter(2);
    const both = context.createGain(); // one channel becomes two, as at the speakers
    both.channelCount = 2;
    both.channelCountMode = "explicit";
    connect.call(both, splitter);
    analysers = [0, 1].map((channel) => {
      const analyser = context.createAnalyser();
      analyser.fftSize = 8192;
      connect.call(splitter, analyser, channel);
      return analyser;
    });
    context.ears = both;
  };

  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode) {
      if (!target.context.ears) tap(target.context);
      connect.call(this, target.context.ears, ...rest);
    }
    return connect.call(this, target, ...rest);
  };

  const level = (hz) =>
    analysers.map((analyser) => {
      const samples = new Float32Array(analyser.fftSize);
      analyser.getFloatTimeDomainData(samples);
      let [cos, sin, weight] = [0, 0, 0];
      samples.forEach((sample, index) => {
        const hann = 1 - Math.cos((2 * Math.PI * index) / samples.length);
        const angle = (2 * Math.PI * hz * index) / analyser.context.sampleRate;
        cos += hann * sample * Math.cos(angle);
        sin += hann * sample * Math.sin(angle);
        weight += hann;
      });
      return (2 * Math.hypot(cos, sin)) / weight;
    });

  return { level };
})();
