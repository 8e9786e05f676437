"""A wrapper for AXI systems, such as Vivado's block designs: AXI4-Lite for the registers, AXI4-Stream in and out."""

from ...model.design import Design
from ...model.registers import BY_NAME, bus_address_bits
from ..chip import chip_ports
from .vivado import interface, interface_parameter


def axi_name(design: Design) -> str:
    """The wrapper's module."""
    return f"{design.name}_axi"


def stream_bits(design: Design) -> dict[str, tuple[int, int]]:
    """Bits of the values of each stream, and of its TDATA, which has whole bytes."""
    width = {port.name: port.width for port in chip_ports(design, False)}
    values = {name: width[f"{name}__payload"] - 2 for name in ("x", "y")}  # the marks are its two top bits
    return {name: (bits, -(-bits // 8) * 8) for name, bits in values.items()}


def axi(design: Design) -> str:
    """Verilog of the wrapper.

    TDATA has the values of a time step, value k at bit ``k * element_width``; bits above them are ignored in x and 0
    in y. TLAST is the last time step of a sequence. A step is the first of a sequence after a reset, after a write of
    CONTROL.RESET, and after a TLAST. A register that refuses an access answers SLVERR.
    """
    address = bus_address_bits(design) - 2  # of words
    (x, x_data), (y, y_data) = stream_bits(design).values()
    control = BY_NAME["CONTROL"]
    [reset] = [field.lsb for field in control.fields if field.name == "RESET"]
    lite = [
        ("input", address + 2, "AWADDR"), ("input", 3, "AWPROT"), ("input", 1, "AWVALID"), ("output", 1, "AWREADY"),
        ("input", 32, "WDATA"), ("input", 4, "WSTRB"), ("input", 1, "WVALID"), ("output", 1, "WREADY"),
        ("output", 2, "BRESP"), ("output", 1, "BVALID"), ("input", 1, "BREADY"),
        ("input", address + 2, "ARADDR"), ("input", 3, "ARPROT"), ("input", 1, "ARVALID"), ("output", 1, "ARREADY"),
        ("output", 32, "RDATA"), ("output", 2, "RRESP"), ("output", 1, "RVALID"), ("input", 1, "RREADY"),
    ]  # fmt: skip
    taken = [("input", x_data, "TDATA"), ("input", 1, "TVALID"), ("output", 1, "TREADY"), ("input", 1, "TLAST")]
    given = [("output", y_data, "TDATA"), ("output", 1, "TVALID"), ("input", 1, "TREADY"), ("output", 1, "TLAST")]
    ports = [
        interface_parameter(
            "xilinx.com:signal:clock:1.0 aclk CLK", "ASSOCIATED_BUSIF s_axi:s_axis:m_axis, ASSOCIATED_RESET aresetn"
        ),
        "    input wire aclk,",
        interface_parameter("xilinx.com:signal:reset:1.0 aresetn RST", "POLARITY ACTIVE_LOW"),
        "    input wire aresetn,",
        *interface("xilinx.com:interface:aximm:1.0", "s_axi", lite),
        *interface("xilinx.com:interface:axis:1.0", "s_axis", taken),
        *interface("xilinx.com:interface:axis:1.0", "m_axis", given),
    ]
    padding = f"{{{y_data - y}'b0, result[{y - 1}:0]}}" if y_data > y else f"result[{y - 1}:0]"
    listed = "\n".join(ports).rstrip(",")
    return f"""// {design.name} for AXI systems: registers on AXI4-Lite, time steps on AXI4-Stream. aresetn is
// synchronous.
module {axi_name(design)} (
{listed}
);
    wire rst = !aresetn;

    // Registers: one access at a time, reads and writes in turn where both wait.
    reg cyc, we, after_write, write_answered, read_answered, refused;
    reg [{address - 1}:0] adr;
    reg [31:0] data, word;
    reg [3:0] sel;
    wire [31:0] dat_r;
    wire ack, err;
    wire idle = !cyc && !write_answered && !read_answered;
    wire both = s_axi_awvalid && s_axi_wvalid;
    wire take_write = idle && both && !(after_write && s_axi_arvalid);
    wire take_read = idle && s_axi_arvalid && !(both && !after_write);
    assign s_axi_awready = take_write;
    assign s_axi_wready = take_write;
    assign s_axi_arready = take_read;
    assign s_axi_bvalid = write_answered;
    assign s_axi_bresp = {{refused, 1'b0}}; // SLVERR or OKAY
    assign s_axi_rvalid = read_answered;
    assign s_axi_rresp = {{refused, 1'b0}};
    assign s_axi_rdata = word;
    always @(posedge aclk) begin
        if (take_write || take_read) begin
            // a write of no byte is no access
            cyc <= take_read || s_axi_wstrb != 4'b0000;
            write_answered <= take_write && s_axi_wstrb == 4'b0000;
            refused <= 1'b0;
            we <= take_write;
            after_write <= take_write;
            adr <= take_write ? s_axi_awaddr[{address + 1}:2] : s_axi_araddr[{address + 1}:2];
            data <= s_axi_wdata;
            sel <= take_write ? s_axi_wstrb : 4'b1111;
        end
        if (cyc && (ack || err)) begin
            cyc <= 1'b0;
            write_answered <= we;
            read_answered <= !we;
            refused <= err;
            word <= dat_r;
        end
        if (write_answered && s_axi_bready) write_answered <= 1'b0;
        if (read_answered && s_axi_rready) read_answered <= 1'b0;
        if (rst) begin
            cyc <= 1'b0;
            after_write <= 1'b0;
            write_answered <= 1'b0;
            read_answered <= 1'b0;
        end
    end

    // Streams. The first step of a sequence follows a reset, CONTROL.RESET, or a last one.
    reg first;
    wire restart = ack && we && adr == {address}'d{control.address // 4} && data[{reset}];
    always @(posedge aclk) begin
        if (s_axis_tvalid && s_axis_tready) first <= s_axis_tlast;
        if (rst || restart) first <= 1'b1;
    end
    wire [{y + 1}:0] result;
    assign m_axis_tdata = {padding};
    assign m_axis_tlast = result[{y + 1}];

    {design.name} chip (
        .clk(aclk),
        .rst(rst),
        .x__payload({{s_axis_tlast, first, s_axis_tdata[{x - 1}:0]}}),
        .x__valid(s_axis_tvalid),
        .x__ready(s_axis_tready),
        .y__payload(result),
        .y__valid(m_axis_tvalid),
        .y__ready(m_axis_tready),
        .bus__adr(adr),
        .bus__dat_w(data),
        .bus__dat_r(dat_r),
        .bus__sel(sel),
        .bus__cyc(cyc),
        .bus__stb(cyc),
        .bus__we(we),
        .bus__ack(ack),
        .bus__err(err)
    );
endmodule
"""
