// Draws every <figure data-chart="id of its JSON"> with ECharts, in the place of the server's picture.
// The data's shape is apps/ui/charts.py's. Read by eye, by keyboard and by ear; saved as PNG.
(function () {
  "use strict";

  var drawn = new Map(); // figure → {chart, data, hidden, at, part}

  // A variable of the stylesheets as a colour that SVG files and canvases understand.
  var probe = document.createElement("span");
  probe.hidden = true;
  function colour(name) {
    if (!probe.isConnected) document.body.append(probe);
    probe.style.color = "var(" + name + ")";
    return getComputedStyle(probe).color;
  }
  function fill(series) {
    // A line beside the point crosses bars beside the point: it must not look like them.
    return colour(!series.muted ? "--chart-" + series.colour : series.line ? "--chart-line" : "--chart-muted");
  }

  // 1234567 → "1.2M", for the axis alone: every number that is read comes from the server.
  function short(value, unit) {
    var size = Math.abs(value);
    var steps = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];
    var step = steps.find(function (one) { return size >= one[0]; });
    var text = step ? String(+(value / step[0]).toFixed(2)) + step[1] : String(+value.toFixed(size < 1 ? 4 : 2));
    return unit === "USD" ? "$" + text : unit ? text + " " + unit : text;
  }

  // --- Drawing --------------------------------------------------------------------------------

  function option(state) {
    var data = state.data;
    var text = colour("--tblr-secondary-color");
    var line = colour("--tblr-border-color");
    var surface = colour("--tblr-bg-surface");
    var font = getComputedStyle(document.body).fontFamily;
    return {
      animation: false,
      textStyle: { fontFamily: font },
      grid: { left: 4, right: 8, top: 12, bottom: 4, containLabel: true },
      xAxis: {
        type: "category", data: data.labels, axisTick: { show: false },
        axisLine: { lineStyle: { color: line } },
        axisLabel: { color: text, fontSize: 12, hideOverlap: true },
      },
      yAxis: {
        type: "value", splitNumber: 4, splitLine: { lineStyle: { color: line } },
        axisLabel: { color: text, fontSize: 12, formatter: function (value) { return short(value, data.unit); } },
      },
      tooltip: {
        trigger: "axis", confine: true, transitionDuration: 0, className: "chart-tip",
        backgroundColor: surface, borderColor: line, padding: [8, 12],
        textStyle: { color: colour("--tblr-body-color"), fontSize: 13 },
        axisPointer: { type: "shadow", shadowStyle: { color: text, opacity: 0.12 } },
        formatter: function (shown) { return tip(state, shown[0].dataIndex); },
      },
      series: data.series.map(function (one, at) {
        var values = state.hidden.has(at) ? [] : one.values;
        if (one.line) {
          var level = values.length > 1 && values.every(function (value) { return value === values[0]; });
          return {
            type: "line", name: one.name, data: values, symbol: "circle", symbolSize: 5,
            showSymbol: data.labels.length < 32 && !level, lineStyle: { color: fill(one), width: 2, type: one.muted ? "dashed" : "solid" },
            itemStyle: { color: fill(one) },
          };
        }
        return {
          type: "bar", stack: "all", name: one.name, data: values, barCategoryGap: "20%", barMaxWidth: 48,
          itemStyle: { color: fill(one), borderColor: surface, borderWidth: data.labels.length < 64 ? 0.5 : 0 },
          cursor: data.base ? "pointer" : "default", emphasis: { itemStyle: { opacity: 0.8 } },
        };
      }),
    };
  }

  // What stands beside the pointer: elements, because markup with styles of its own is refused here.
  function tip(state, at) {
    var box = document.createElement("div");
    box.className = "chart-tip-box";
    var head = document.createElement("div");
    head.className = "chart-tip-head";
    head.textContent = state.data.titles[at];
    if (state.data.totals.length) {
      var sum = document.createElement("strong");
      sum.textContent = state.data.totals[at];
      head.append(sum);
    }
    box.append(head);
    parts(state, at).forEach(function (index) {
      var one = state.data.series[index];
      var row = document.createElement("div");
      row.className = "chart-tip-row" + (index === state.part ? " is-at" : "");
      var swatch = document.createElement("span");
      swatch.className = "chart-swatch" + (one.line ? " is-line" : "") + " chart-" + (one.muted ? "muted" : one.colour);
      var name = document.createElement("span");
      name.className = "chart-tip-name";
      name.textContent = one.name;
      var value = document.createElement("span");
      value.textContent = one.texts[at];
      row.append(swatch, name, value);
      box.append(row);
    });
    return box;
  }

  // The series that have something at a label, the largest first, lines last.
  function parts(state, at) {
    var series = state.data.series;
    return series.map(function (_one, index) { return index; }).filter(function (index) {
      return !state.hidden.has(index) && series[index].values[at];
    }).sort(function (a, b) {
      return (series[a].line ? 1 : 0) - (series[b].line ? 1 : 0) || series[b].values[at] - series[a].values[at];
    });
  }

  // --- Following ------------------------------------------------------------------------------

  function follow(data, at, part) {
    if (!data.base || at < 0 || at >= data.labels.length) return;
    var pieces = [data.queries[at], part === null ? "" : data.series[part].query].filter(Boolean);
    if (!pieces.length) return;
    var address = new URLSearchParams(data.base);
    pieces.forEach(function (piece) {
      new URLSearchParams(piece).forEach(function (value, name) {
        if (value) address.set(name, value); else address.delete(name);
      });
    });
    window.location.assign("?" + address.toString());
  }

  // --- By keyboard and by ear -----------------------------------------------------------------

  function move(figure, state, at, part) {
    state.at = Math.max(0, Math.min(state.data.labels.length - 1, at));
    var there = parts(state, state.at);
    if (part === "next" || part === "previous") {
      var now = there.indexOf(state.part);
      var next = part === "next" ? now + 1 : now - 1;
      state.part = there.length ? there[(next + there.length) % there.length] : null;
    } else {
      state.part = null;
    }
    state.chart.dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex: state.at });
    var one = state.part === null ? null : state.data.series[state.part];
    var words = [state.data.titles[state.at]];
    if (one) words.push(one.name + ": " + one.texts[state.at]);
    else {
      if (state.data.totals.length) words.push(state.data.totals[state.at]);
      there.slice(0, 4).forEach(function (index) {
        words.push(state.data.series[index].name + ": " + state.data.series[index].texts[state.at]);
      });
    }
    figure.querySelector("[data-chart-say]").textContent = words.join(". ");
  }

  function keys(figure, state) {
    return function (event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      var at = state.at;
      if (event.key === "ArrowRight") move(figure, state, at + 1);
      else if (event.key === "ArrowLeft") move(figure, state, at < 0 ? state.data.labels.length - 1 : at - 1);
      else if (event.key === "Home") move(figure, state, 0);
      else if (event.key === "End") move(figure, state, state.data.labels.length - 1);
      else if (event.key === "ArrowUp") move(figure, state, Math.max(at, 0), "next");
      else if (event.key === "ArrowDown") move(figure, state, Math.max(at, 0), "previous");
      else if (event.key === "Enter") follow(state.data, at, state.part);
      else if (event.key === "Escape") state.chart.dispatchAction({ type: "hideTip" });
      else return;
      event.preventDefault();
    };
  }

  // --- The key: a press hides a series and shows it again ---------------------------------------

  function furnishKeys(figure, state) {
    figure.querySelectorAll("span[data-chart-key]").forEach(function (span) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = span.className;
      button.setAttribute("aria-pressed", "true");
      button.append.apply(button, Array.from(span.childNodes));
      var at = Number(span.dataset.chartKey);
      button.addEventListener("click", function () {
        var hide = !state.hidden.has(at);
        if (hide) state.hidden.add(at); else state.hidden.delete(at);
        button.setAttribute("aria-pressed", String(!hide));
        state.chart.setOption(option(state), true);
      });
      span.replaceWith(button);
    });
  }

  // --- PNG ------------------------------------------------------------------------------------

  // Where the names of the shown series stand above the picture, in as many lines as they need.
  function placed(state, wide, font) {
    var pen = document.createElement("canvas").getContext("2d");
    pen.font = font;
    var left = 8, line = 0, keys = [];
    state.data.series.forEach(function (one, at) {
      if (state.hidden.has(at)) return;
      var needs = 14 + pen.measureText(one.name).width + 16;
      if (left > 8 && left + needs > wide) { left = 8; line += 1; }
      keys.push({ series: one, left: left, line: line });
      left += needs;
    });
    return keys;
  }

  function save(state) {
    var plot = state.chart.getDom();
    var wide = plot.clientWidth, scale = 2, line = 18;
    var family = getComputedStyle(document.body).fontFamily;
    var keys = placed(state, wide, "12px " + family);
    var head = 34 + (keys.length ? keys[keys.length - 1].line + 1 : 0) * line + 6;
    var picture = new Image();
    picture.onload = function () {
      var canvas = document.createElement("canvas");
      canvas.width = wide * scale;
      canvas.height = (plot.clientHeight + head) * scale;
      var pen = canvas.getContext("2d");
      pen.scale(scale, scale);
      pen.fillStyle = colour("--tblr-bg-surface");
      pen.fillRect(0, 0, wide, plot.clientHeight + head);
      pen.fillStyle = colour("--tblr-body-color");
      pen.font = "600 16px " + family;
      pen.fillText(state.data.title, 8, 22, wide - 16);
      pen.font = "12px " + family;
      keys.forEach(function (key) {
        pen.fillStyle = fill(key.series);
        pen.fillRect(key.left, (key.series.line ? 38 : 34) + key.line * line, 10, key.series.line ? 3 : 10);
        pen.fillStyle = colour("--tblr-body-color");
        pen.fillText(key.series.name, key.left + 14, 43 + key.line * line);
      });
      pen.drawImage(picture, 0, head, wide, plot.clientHeight);
      canvas.toBlob(function (blob) {
        var link = document.createElement("a");
        link.href = URL.createObjectURL(blob);
        link.download = state.data.name + ".png";
        link.click();
        window.setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
      }, "image/png");
    };
    // Not ECharts' own getDataURL: it does not escape the quotes in the names of fonts.
    var svg = new XMLSerializer().serializeToString(plot.querySelector("svg"));
    picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
  }

  // --- All charts of a page -------------------------------------------------------------------

  function draw(figure) {
    var source = document.getElementById(figure.dataset.chart);
    var plot = figure.querySelector("[data-chart-plot]");
    if (!source || !plot || drawn.has(figure)) return;
    var state = { data: JSON.parse(source.textContent), hidden: new Set(), at: -1, part: null };
    plot.replaceChildren();
    state.chart = window.echarts.init(plot, null, { renderer: "svg" });
    state.chart.setOption(option(state));
    var svg = plot.querySelector("svg");
    if (svg) svg.setAttribute("aria-hidden", "true");
    plot.tabIndex = 0;
    plot.setAttribute("role", "application");
    plot.setAttribute("aria-label", state.data.title + ". " + plot.dataset.hint);
    plot.addEventListener("keydown", keys(figure, state));
    plot.addEventListener("blur", function () { state.chart.dispatchAction({ type: "hideTip" }); });
    state.chart.on("click", function (event) { follow(state.data, event.dataIndex, event.seriesIndex); });
    state.chart.getZr().on("click", function (event) {
      if (event.target) return;
      var at = state.chart.convertFromPixel({ xAxisIndex: 0 }, event.offsetX);
      if (state.chart.containPixel("grid", [event.offsetX, event.offsetY])) follow(state.data, at, null);
    });
    var button = figure.querySelector("[data-chart-png]");
    if (button) button.addEventListener("click", function () { save(state); });
    furnishKeys(figure, state);
    state.sizes = new ResizeObserver(function () { state.chart.resize(); });
    state.sizes.observe(plot);
    drawn.set(figure, state);
  }

  function drawAll() {
    drawn.forEach(function (state, figure) {
      if (figure.isConnected) return;
      state.sizes.disconnect();
      state.chart.dispose();
      drawn.delete(figure);
    });
    document.querySelectorAll("figure[data-chart]").forEach(draw);
  }

  new MutationObserver(function () {
    drawn.forEach(function (state) { state.chart.setOption(option(state), true); });
  }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
  document.addEventListener("htmx:afterSettle", drawAll);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", drawAll);
  else drawAll();
})();
