// Colours of heads: by family, from low to high, or to both sides of zero.

function mixed(stops, share) {
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const left = Math.min(Math.floor(place), stops.length - 2);
  const [from, to] = [stops[left], stops[left + 1]].map(channels);
  return "#" + from.map((low, i) => Math.round(low + (to[i] - low) * (place - left)).toString(16).padStart(2, "0")).join("");
}

function channels(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

// Black or white, whichever is read more easily on it.
function inkOn(colour) {
  const [red, green, blue] = channels(colour).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff";
}

function scaleOf(values, signed) {
  const numbers = Object.values(values);
  const low = Math.min(...numbers), high = Math.max(...numbers);
  if (signed) {
    const far = Math.max(Math.abs(low), Math.abs(high)) || 1;
    return { low: -far, high: far, stops: data.diverging };
  }
  return { low: Math.min(low, 0), high: high === Math.min(low, 0) ? high + 1 : high, stops: data.sequential };
}

function colourAt(scale, value) {
  return mixed(scale.stops, (value - scale.low) / (scale.high - scale.low));
}
