// Starts the page's script. The words that it has not started stand behind this line in the page: a browser that cannot
// read it, or did not get it, shows them, and so does one in which that script fails.
document.documentElement.className = "starting";
import("./page.js").catch(() => { document.documentElement.className = ""; });
