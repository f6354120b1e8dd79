// Search in pages opened from a disc: browsers start no worker there, so a hidden frame stands in for it.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "search";
      this.ready = new Promise((resolve) => frame.addEventListener("load", () => resolve(frame.contentWindow)));
      window.locrefSearch = this;
      const answer = "postMessage = (data) => parent.locrefSearch.dispatchEvent(new MessageEvent('message', { data }));";
      frame.srcdoc = `<!doctype html><script>${answer}</script><script src="${new URL(address, document.baseURI)}"></script>`;
      document.documentElement.append(frame);
    }

    postMessage(data) {
      this.ready.then((inside) => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }
  };
  window.Worker = window.IFrameWorker;
}
